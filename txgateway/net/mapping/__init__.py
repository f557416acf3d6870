"""Where the IDL comes from: one file per source."""
