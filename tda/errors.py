"""The exceptions of Lacuna, with one base class."""


class LacunaError(Exception):
    """An expected error; its message is one line that names the value at fault."""


class UserError(LacunaError, ValueError):
    """A mistake in the user's command or configuration; commands print the message and exit 2."""


class ShardError(LacunaError):
    """A whole shard cannot be used (missing, cut, not a tar ...). A fault of a single pair is a `Drop`, not an exception."""

    def __init__(self, shard: str, reason: str, detail: str = "") -> None:
        super().__init__(f"shard {shard}: {reason}" + (f" ({detail})" if detail else ""))
        self.shard, self.reason, self.detail = shard, reason, detail

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:  # pickled with all its fields
        return type(self), (self.shard, self.reason, self.detail)
