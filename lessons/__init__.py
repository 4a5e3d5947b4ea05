"""The class room: accounts for a class and their slips, and what a lesson sees."""
