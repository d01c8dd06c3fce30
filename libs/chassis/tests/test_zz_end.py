import asyncio, time, pytest
from sample_service.app import running
@pytest.mark.parametrize("i", range(25))
async def test_end(i, settings):
    t=time.monotonic()
    async with running(settings) as base:
        await asyncio.sleep(0.002*i)
    for x in asyncio.all_tasks(): 
        if x is not asyncio.current_task(): print("LEFT", i, x.get_name(), x)
