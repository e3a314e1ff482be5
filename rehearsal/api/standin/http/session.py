"""Who is asking: the tokens a login hands out, by cookie or in the body as the release has it."""

import secrets
from dataclasses import dataclass

from flask import Response, current_app, jsonify, request
from itsdangerous import BadData, URLSafeTimedSerializer

from standin.http.errors import unauthorized
from standin.settings import COOKIES, https
from standin.state import cache, database

ACCESS_S, REFRESH_S = 60 * 60, 30 * 24 * 60 * 60


@dataclass(frozen=True)
class Account:
    id: str
    email: str
    name: str
    language: str
    tenant: str


def log_in(account: str) -> Response:
    """The answer to a right password. Needs Redis, for the refresh token."""
    access, refresh = _token("access", account), secrets.token_hex(64)
    cache().set(f"refresh_token:{refresh}", account, ex=REFRESH_S)
    if not COOKIES:
        return jsonify(result="success", data=access)
    answer = jsonify(result="success")
    _set(answer, "access_token", access, ACCESS_S)
    _set(answer, "refresh_token", refresh, REFRESH_S)
    _set(answer, "csrf_token", _token("csrf", account), ACCESS_S)
    return answer


def signed_in() -> Account:
    """The account of this request. Raises ApiError 401 without valid tokens."""
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    cookie = request.cookies.get(_name("access_token")) if COOKIES else None
    token = cookie or (bearer if scheme.lower() == "bearer" else None)
    if not token:
        raise unauthorized("Invalid Authorization token.")
    account = _read("access", token, "Invalid Authorization token.")
    if COOKIES and not _is_saved_by_beacon():
        _check_csrf(account)
    return _load(account)


def _is_saved_by_beacon() -> bool:
    """Browsers save drafts on leaving the page, when they cannot set headers."""
    return request.path.endswith("/workflows/draft")


def _check_csrf(account: str) -> None:
    sent = request.headers.get("X-CSRF-Token")
    wrong = "CSRF token is missing or invalid."
    if not sent or sent != request.cookies.get(_name("csrf_token")):
        raise unauthorized(wrong)
    if _read("csrf", sent, wrong) != account:
        raise unauthorized(wrong)


def _load(account: str) -> Account:
    with database() as cursor:
        cursor.execute(
            "SELECT a.id, a.email, a.name, a.interface_language, j.tenant_id FROM accounts a"
            " JOIN tenant_account_joins j ON j.account_id = a.id WHERE a.id = %s",
            (account,),
        )
        row = cursor.fetchone()
    if row is None:
        raise unauthorized("Account does not exist.")
    return Account(
        str(row["id"]), row["email"], row["name"], row["interface_language"], str(row["tenant_id"])
    )


def _set(answer: Response, name: str, value: str, seconds: int) -> None:
    answer.set_cookie(
        _name(name),
        value,
        max_age=seconds,
        path="/",
        secure=https(),
        httponly=name != "csrf_token",
        samesite="Lax",
    )


def _name(cookie: str) -> str:
    return f"__Host-{cookie}" if https() else cookie


def _token(purpose: str, account: str) -> str:
    return _serializer(purpose).dumps(account)


def _read(purpose: str, token: str, wrong: str) -> str:
    try:
        return _serializer(purpose).loads(token, max_age=ACCESS_S)
    except BadData:
        raise unauthorized(wrong) from None


def _serializer(purpose: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.secret_key or "", salt=purpose)
