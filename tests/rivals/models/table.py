"""What the comparisons found, for the end of the run."""

from tests.rivals.models.figures import Figures


class Table:
    """One row for each model and quantisation, one column for each side."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, Figures]] = {}

    def put(self, row: str, column: str, figures: Figures) -> None:
        self._rows.setdefault(row, {})[column] = figures

    def lines(self) -> list[str]:
        columns = list(dict.fromkeys(column for row in self._rows.values() for column in row))
        if not columns:
            return []
        rows = [[name, *(str(row.get(column, "")) for column in columns)] for name, row in self._rows.items()]
        return [f"{name:26}" + "".join(f"{cell:>16}" for cell in cells) for name, *cells in [["", *columns], *rows]]


TABLE = Table()
