"""The development stack: embedded PostgreSQL and Valkey, and the supervisor behind ``make up``.

Nothing in here except the supervisor's preparation step imports Django.
"""
