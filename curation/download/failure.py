"""Why a row has no image."""


class Failure(Exception):  # noqa: N818 - it is a row's outcome, not an error of the program
    """A row that could not be fetched.

    Attributes:
        reason: short, and the same for every row with this fate, so that reasons can be counted.
        detail: of this row; becomes the second line of its `error_message`. Never holds a URL: queries carry secrets.
        again: whether another attempt may do better.
        wait: seconds that the server asks for before it.
    """

    def __init__(self, reason: str, detail: str = "", *, again: bool = False, wait: float = 0) -> None:
        super().__init__(reason, detail)
        self.reason, self.detail, self.again, self.wait = reason, detail, again, wait

    @property
    def message(self) -> str:
        """The reason on the first line, the detail on the second."""
        return f"{self.reason}\n{self.detail}" if self.detail else self.reason
