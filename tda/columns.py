"""The one name for a table in memory that every layer shares."""

from typing import Any

Columns = dict[str, Any]  # a column's name -> its values: an array of either library, or a list
