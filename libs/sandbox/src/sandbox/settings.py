"""Settings of the sandbox process, from `MVP_SANDBOX_*` or the command line."""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where the sandbox listens and where it keeps its state."""

    model_config = SettingsConfigDict(env_prefix="MVP_SANDBOX_")

    host: str = "127.0.0.1"
    """Loopback only by default: the stand-ins take any client secret."""
    port: int = 8090
    data_dir: Path = Path(".sandbox")
    """Holds `sandbox.sqlite` (WAL); everything survives a restart but the planned faults."""

    @property
    def database(self) -> Path:
        """The SQLite file of all worlds."""
        return self.data_dir / "sandbox.sqlite"
