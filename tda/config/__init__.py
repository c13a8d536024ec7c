"""The schemas of all configuration groups and jobs. Values and their comments stand in `conf/`; the library sees only these objects."""
