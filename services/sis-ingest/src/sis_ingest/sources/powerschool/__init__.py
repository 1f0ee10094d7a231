"""PowerSchool SIS: event subscriptions as hints, records over REST, data versions as the net."""
