from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_delete


class UploadsConfig(AppConfig):
    name = "uploads"
    verbose_name = "图片"

    def ready(self) -> None:
        # Accounts is a lower app and must not import this one, so give it the functions that store avatars.
        from accounts import avatars
        from uploads.fields import image_file, image_or_url
        from uploads.services import image_adopt, stored_address

        avatars.store.set(
            avatars.PictureStore(
                take=image_file, take_or_name=image_or_url, adopt=image_adopt, stored_address=stored_address
            )
        )
        post_delete.connect(_release_avatar, sender="accounts.User")


def _release_avatar(instance: Any, **_: Any) -> None:
    # A signal and not a call in a service: users are also deleted in the back office and in a shell.
    from uploads.services import image_release

    image_release(owner=f"accounts.User:{instance.pk}")
