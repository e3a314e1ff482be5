"""Files and knowledge bases: what Dify stores, its worker indexes and its API finds again."""

from dataclasses import dataclass
from typing import Any

from clients.dify.session import DifyError, Session
from clients.waiting import until

_POLL_S = 0.25
_PAGE = 100
KEYWORD, FULL_TEXT = "keyword_search", "full_text_search"
RETRIEVAL: dict[str, Any] = {
    "search_method": KEYWORD,
    "reranking_enable": False,
    "reranking_model": {"reranking_provider_name": "", "reranking_model_name": ""},
    "top_k": 2,
    "score_threshold_enabled": False,
    "score_threshold": 0.0,
}
_RULES: dict[str, Any] = {
    "mode": "custom",
    "rules": {
        "pre_processing_rules": [
            {"id": "remove_extra_spaces", "enabled": True},
            {"id": "remove_urls_emails", "enabled": False},
        ],
        "segmentation": {"separator": "\n\n", "max_tokens": 500, "chunk_overlap": 50},
    },
}


@dataclass(frozen=True, slots=True)
class Indexing:
    """A knowledge base and the batch of documents being indexed into it."""

    dataset: str
    batch: str


class Knowledge:
    """The part of the console API below /files and /datasets."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def upload(self, name: str, text: str) -> str:
        """Id of the new file. Dify removes it together with the dataset it is put into."""
        answer = self._session.json(
            "POST",
            "/console/api/files/upload",
            files={"file": (name, text.encode(), "text/plain")},
            data={"source": "datasets"},
        )
        return str(answer["id"])

    def preview(self, file: str) -> str:
        """The file's text (its first 3000 characters), read back from storage."""
        return str(self._session.json("GET", f"/console/api/files/{file}/preview")["content"])

    def index(self, file: str) -> Indexing:
        """Start indexing the file into a new knowledge base, without any model provider.

        The base is named after the file: Dify keeps the first 18 characters.
        """
        body = {
            "indexing_technique": "economy",
            "data_source": {
                "type": "upload_file",  # 0.6 looks here, 1.x at data_source_type
                "info_list": {
                    "data_source_type": "upload_file",
                    "file_info_list": {"file_ids": [file]},
                },
            },
            "process_rule": _RULES,
            "doc_form": "text_model",
            "doc_language": "English",
            "retrieval_model": RETRIEVAL,
        }
        answer = self._session.json("POST", "/console/api/datasets/init", json=body)
        return Indexing(str(answer["dataset"]["id"]), str(answer["batch"]))

    def wait(self, indexing: Indexing, within_s: float) -> int:
        """Number of segments once every document is indexed.

        Raises:
            DifyError: Dify reports an error, or it takes longer.
        """
        path = f"/console/api/datasets/{indexing.dataset}/batch/{indexing.batch}/indexing-status"
        documents = until(
            lambda: self._session.json("GET", path)["data"],
            lambda found: _states(found) == {"completed"} or "error" in _states(found),
            within_s=within_s,
            every_s=_POLL_S,
        )
        states = _states(documents)
        if "error" in states:
            errors = [str(document.get("error") or "") for document in documents]
            raise DifyError("indexing", "Dify reports: " + "; ".join(filter(None, errors)))
        if states != {"completed"}:
            raise DifyError(
                "indexing",
                f"still {', '.join(sorted(states)) or 'nothing'} after {within_s:g} s",
            )
        return sum(int(document["completed_segments"]) for document in documents)

    def retrieve(self, dataset: str, query: str, method: str = KEYWORD) -> list[str]:
        """Texts of the segments found for the query, best first; no method here asks a model."""
        answer = self._session.json(
            "POST",
            f"/console/api/datasets/{dataset}/hit-testing",
            json={"query": query, "retrieval_model": RETRIEVAL | {"search_method": method}},
        )
        return [str(record["segment"]["content"]) for record in answer["records"]]

    def named(self, prefix: str) -> list[str]:
        """Ids of the newest datasets whose name starts so. 1.x asks the plugin daemon for it."""
        answer = self._session.json(
            "GET", "/console/api/datasets", params={"page": 1, "limit": _PAGE, "keyword": prefix}
        )
        return [str(d["id"]) for d in answer["data"] if str(d["name"]).startswith(prefix)]

    def delete(self, dataset: str) -> None:
        """The dataset is gone; its documents and files follow as the worker gets to it."""
        self._session.ask("DELETE", f"/console/api/datasets/{dataset}")


def _states(documents: list[dict[str, Any]]) -> set[str]:
    return {str(document["indexing_status"]) for document in documents}
