"""What the portal says while Dify is being replaced: 503, and a page in its users' languages."""

import re
from collections.abc import Sequence

from config.desired.templates import render
from config.environment import Environment

RETRY_AFTER_S = 60
# Whoever asks for it past the page learns that the page is up.
MARK = "/.dify-rollout/maintenance"
TEXTS = {
    "en": "Dify is being updated. Please try again in a few minutes.",
    "zh-Hans": "Dify 正在更新，请几分钟后再试。",
    "zh-Hant": "Dify 正在更新，請幾分鐘後再試。",
    "ja": "Dify はただいま更新中です。数分後にもう一度お試しください。",
    "ko": "Dify를 업데이트하고 있습니다. 몇 분 후에 다시 시도해 주세요.",
    "de": "Dify wird gerade aktualisiert. Bitte in einigen Minuten noch einmal versuchen.",
    "fr": "Dify est en cours de mise à jour. Veuillez réessayer dans quelques minutes.",
    "es": "Dify se está actualizando. Inténtelo de nuevo dentro de unos minutos.",
    "pt-BR": "O Dify está sendo atualizado. Tente novamente em alguns minutos.",
}


def maintenance_file(environment: Environment, passing: Sequence[str]) -> str:
    """Directives for the server of the domain; `passing`: addresses that still get to Dify."""
    addresses = "|".join(re.escape(address) for address in passing)
    return render(
        "maintenance.conf.j2",
        environment=environment,
        passing=addresses,
        page=page(),
        retry_after_s=RETRY_AFTER_S,
        mark=MARK,
    )


def page() -> str:
    """HTML in one line, without what would mean something to nginx between single quotes."""
    paragraphs = "".join(f'<p lang="{language}">{text}</p>' for language, text in TEXTS.items())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Dify</title>'
        f'<meta http-equiv="refresh" content="{RETRY_AFTER_S}"></head>'
        '<body style="font-family:sans-serif;margin:4em auto;max-width:40em;padding:0 1em">'
        f"{paragraphs}</body></html>"
    )


def included_name(environment: Environment) -> str:
    """Beside the portal's files, and none of those that nginx reads by their ending."""
    return f"{environment.dify.project}.maintenance"


def include(environment: Environment) -> str:
    """The directive that includes the file where it exists: a pattern may match nothing."""
    return f"include conf.d/{included_name(environment)[:-1]}[e];"
