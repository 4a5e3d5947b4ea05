"""The collections in the order of their import: each one after those that it refers to."""

from moving.carts import CARTS
from moving.catalogue import CATEGORIES, PRODUCTS
from moving.logins import LOGINS
from moving.orders import ORDERS
from moving.roles import ROLES_AS_DOCUMENTS
from moving.students import STUDENTS
from moving.users import USERS
from moving.weather import WEATHER

DETAILS, DETAILS_LABEL = "order_details", "订单明细"  # they come with their orders
TRANSLATIONS = (ROLES_AS_DOCUMENTS, USERS, LOGINS, WEATHER, STUDENTS, CATEGORIES, PRODUCTS, CARTS, ORDERS)
COLLECTIONS = [*(one.collection for one in TRANSLATIONS), DETAILS]
