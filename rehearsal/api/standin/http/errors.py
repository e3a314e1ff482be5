"""Errors as Dify words them: a code, a message and the status, in JSON."""

import logging

from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException

log = logging.getLogger(__name__)


class ApiError(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def unauthorized(message: str, code: str = "unauthorized") -> ApiError:
    return ApiError(401, code, message)


def not_found(what: str) -> ApiError:
    return ApiError(404, "not_found", f"{what} not found.")


def register(app: Flask) -> None:
    app.register_error_handler(ApiError, lambda e: _answer(e.status, e.code, e.message))
    app.register_error_handler(HTTPException, _of_flask)
    app.register_error_handler(Exception, _unexpected)


def _of_flask(error: HTTPException) -> tuple[Response, int]:
    code = error.name.lower().replace(" ", "_")
    return _answer(error.code or 500, code, error.description or error.name)


def _unexpected(error: Exception) -> tuple[Response, int]:
    log.error("%s: %s", type(error).__name__, error, exc_info=error)
    return _answer(500, "internal_server_error", f"{type(error).__name__}: {error}")


def _answer(status: int, code: str, message: str) -> tuple[Response, int]:
    return jsonify(code=code, message=message, status=status), status
