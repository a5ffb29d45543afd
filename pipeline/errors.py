"""Every error that pairpool raises on purpose.

PairpoolError
├── ConfigError          the command line or the config is wrong (exit 2)
│   ├── RecipeChanged    a recipe differs from the one that made the committed parts
│   └── UnknownStep      a step names another one that does not exist
├── DataError            an input file cannot be read or does not say what it should (exit 1)
│   └── BrokenPart       a committed part is missing or its bytes changed
├── ContractError        a stage broke its contract: rows lost, columns wrong (exit 1)
└── MachineError         a server, a worker or a disk failed (exit 1)
"""


class PairpoolError(Exception):
    """Base of all; its text says what happened, where, and what to do."""

    exit_code = 1


class ConfigError(PairpoolError):
    """The command line or the config is wrong."""

    exit_code = 2


class RecipeChanged(ConfigError):  # noqa: N818 - reads as the sentence it is
    """The recipe of a step differs from the one that made its committed parts."""


class UnknownStep(ConfigError):  # noqa: N818
    """A step names another one that the config does not have."""


class DataError(PairpoolError):
    """An input cannot be read, or does not say what it should."""


class BrokenPart(DataError):  # noqa: N818
    """A committed part is missing, or its bytes are not those that were committed."""


class ContractError(PairpoolError):
    """A stage gave back other rows or columns than it promised."""


class MachineError(PairpoolError):
    """A server, a worker or a disk failed; running again resumes from what is committed."""
