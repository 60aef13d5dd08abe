"""The contract's own types where Django would write another one.

Django makes automatic keys identity columns; the tables that detectors and dashboards know have
``serial`` ones (docs/schema.md), and a copy of the schema should not differ in that.
"""

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

if TYPE_CHECKING:  # Django's fields take parameters in its stubs only
    AutoField = models.AutoField[Any, Any]
    BigAutoField = models.BigAutoField[Any, Any]
    Field = models.Field[Any, Any]
else:
    AutoField, BigAutoField, Field = models.AutoField, models.BigAutoField, models.Field


class SerialField(AutoField):
    """An ``integer`` key that is filled from a sequence of its own (``serial``)."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "serial"

    def db_type_suffix(self, connection: BaseDatabaseWrapper) -> None:
        return None


class BigSerialField(BigAutoField):
    """A ``bigint`` key that is filled from a sequence of its own (``bigserial``)."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "bigserial"

    def db_type_suffix(self, connection: BaseDatabaseWrapper) -> None:
        return None


class Now(models.Func):
    """``now()``, the start of the transaction: as a default it stands in the catalog as in the contract."""

    template = "now()"
    output_field = models.DateTimeField()


class RandomUUID(models.Func):
    """``gen_random_uuid()``, built into PostgreSQL."""

    template = "gen_random_uuid()"
    output_field = models.UUIDField()


class EmptyArray(models.Func):
    """``'{}'::text[]``: an array of no texts."""

    template = "'{}'::text[]"


class Seconds(models.Func):
    """An interval as a number of seconds: unlike an interval, it is written the same under every setting."""

    template = "extract(epoch FROM %(expressions)s)"
    output_field = models.DecimalField()


class Index(models.Index):
    """An index whose name may be as long as PostgreSQL allows; Django keeps to the 30 of Oracle."""

    max_name_length = 63


class MultirangeField(Field):
    """Sets of whole numbers (``int8multirange``), as psycopg's Multirange."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "int8multirange"


class NumericField(Field):
    """A number of any length (``numeric``), as Python's Decimal."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "numeric"
