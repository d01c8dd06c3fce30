"""What was published once stays readable: golden messages, and the AsyncAPI documents of the services."""
