"""The type of a table in memory. Apart, because geometry and store both use it and may not import each other."""

from typing import Any

Columns = dict[str, Any]  # a column's name -> its values: an array of either library, or a list
