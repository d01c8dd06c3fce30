"""What the services of the MVP-Connector say to each other: subjects, streams, events, work, RPCs. No I/O."""
