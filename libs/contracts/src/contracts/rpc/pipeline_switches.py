"""Parts of a pipeline's definition that concern the Erstanlage: what Ameise writes to a new Kunde, and how
sure we must be that somebody is a Kunde already. Data only."""

from pydantic import ConfigDict, Field

from contracts.rpc import RpcModel


class SimplrMessages(RpcModel):
    """What Ameise sends to a new Kunde about simplr; None leaves it to Ameise's own settings."""

    model_config = ConfigDict(frozen=True)

    user_name: bool | None = Field(default=None, description="his user name")
    password_link: bool | None = Field(default=None, description="a link by which he sets a password")
    suppress_erstinformation: bool | None = Field(
        default=None, description="not the Erstinformation (§ 11 VersVermV)"
    )


class MatchWeights(RpcModel):
    """Points for what two people of one name have in common. From `sure` on they are the same person, from
    `possible` on a person is asked; below, they are two. A different name is always somebody else."""

    model_config = ConfigDict(frozen=True)

    name: int = Field(default=40, ge=0, le=100)
    birth_date: int = Field(default=60, ge=0, le=100)
    other_birth_date: int = Field(default=-100, ge=-200, le=0)
    email: int = Field(default=50, ge=0, le=100)
    sure: int = Field(default=90, ge=1, le=300)
    possible: int = Field(default=40, ge=1, le=300)
