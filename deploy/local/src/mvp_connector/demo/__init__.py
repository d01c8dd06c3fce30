"""The main job, played once by everybody who takes part: admin, blau direkt, a person in Zoho, Zoho itself.

Nothing here reaches into the connector: it talks to the gateway over HTTP, and to the stand-ins of the
outside world. A service may die and come back meanwhile; what a person would try again is tried again.
"""

from mvp_connector.demo.play import Size, play

__all__ = ["Size", "play"]
