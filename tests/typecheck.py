"""The run-time type checker that conftest.py puts under samp_core while tests run."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # as type checkers do, take an int where a float is asked
