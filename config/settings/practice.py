"""Practice: on the internet as production, with the sandbox as every upstream. Real values of providers are refused."""

from config.settings import readers as env

env.refuse_real_providers()

from config.settings.production import *  # noqa: E402, F403

SANDBOX_LOCAL_HOSTS = []  # strangers are on this machine: nobody sees the stand-ins' books without a login
