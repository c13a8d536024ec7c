"""Google's store by gcsfs: one layer of retries (`tda.store.remote.retry`), clear exceptions, and HTTP only.

gcsfs's default class first asks over gRPC for the kind of a bucket, to serve zonal buckets. That needs a separate permission, is retried
for a minute if refused, and no emulator answers it. Its core class does not ask, and serves every other bucket.
"""

import inspect
from typing import Any

from gcsfs.core import GCSFileSystem, quote

NO_CREDENTIALS = "no credentials for Google's store (`gcloud auth application-default login`, or GOOGLE_APPLICATION_CREDENTIALS=<key file>)"

_once = inspect.unwrap(GCSFileSystem._request)  # noqa: SLF001 (gcsfs's own six tries have no other switch)


class GoogleFileSystem(GCSFileSystem):  # type: ignore[misc]  # gcsfs has no types
    async def _request(self, method: str, path: str, *args: Any, **options: Any) -> Any:
        upload = "upload_id=" in path
        try:
            return await _once(self, method, path, *args, **options)
        except Exception as error:
            if (
                upload and method == "DELETE"
            ):  # after a failure gcsfs cancels the upload, and would raise that error in place of the failure
                return 499, {}, None, b""
            reported = self._clearer(error, upload=upload)
            if reported is None:
                raise
            raise reported from None

    def _clearer(self, error: Exception, *, upload: bool) -> Exception | None:
        """A clearer exception for `error`; None if it is clear already."""
        missing, code = isinstance(error, FileNotFoundError), getattr(error, "code", None)
        if isinstance(error, FileExistsError):
            return FileExistsError("the name is taken (412)")
        if upload and (missing or code == 410):
            return ConnectionResetError("the upload's session has ended")  # another upload may succeed
        if missing:
            return FileNotFoundError("no such file or bucket (404)")
        if code == 401 and self.credentials.credentials is None:
            return PermissionError(f"{NO_CREDENTIALS}: {error}")
        if isinstance(error, OSError) and str(error).startswith("Forbidden"):  # gcsfs replaces this word as well
            return PermissionError(f"Forbidden (403): {str(error).partition(chr(10))[2]}")
        return None

    async def _pipe_file(self, path: str, data: bytes, *args: Any, ifGenerationMatch: str | None = None, **options: Any) -> Any:
        """As gcsfs's, which supports no generation but 0."""
        if ifGenerationMatch is None:
            return await super()._pipe_file(path, data, *args, **options)
        bucket, key, _ = self.split_path(path)
        url = f"{self._location}/upload/storage/v1/b/{quote(bucket)}/o"
        return await self._call("POST", url, uploadType="media", name=key, ifGenerationMatch=ifGenerationMatch, data=data)
