"""sis-ingest: owns truth, i.e. what each SIS said and the one resolved record behind it."""
