"""Every exception that Lacuna raises on purpose, under one root."""


class LacunaError(Exception):
    """Something Lacuna foresaw; its message is one line that names the value at fault."""


class UserError(LacunaError, ValueError):
    """The user asked for something that cannot be done; commands print the message and exit 2."""


class ShardError(LacunaError):
    """A whole shard cannot be used (missing, cut, not a tar ...). A pair's problem is data, not an exception."""

    def __init__(self, shard: str, reason: str, detail: str = "") -> None:
        super().__init__(f"shard {shard}: {reason}" + (f" ({detail})" if detail else ""))
        self.shard, self.reason, self.detail = shard, reason, detail

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:  # crosses processes whole
        return type(self), (self.shard, self.reason, self.detail)
