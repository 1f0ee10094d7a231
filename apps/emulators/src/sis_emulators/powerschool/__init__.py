"""The face of PowerSchool SIS: REST, event subscriptions, data versions, OneRoster 1.1."""
