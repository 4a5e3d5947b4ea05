"""The back office of students, their classes and the archive. Rows change here only through the services."""

from students.admin.archive import ArchivedStudentAdmin
from students.admin.school_class import SchoolClassAdmin
from students.admin.student import StudentAdmin
