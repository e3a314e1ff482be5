"""Building the images that stand in for Dify's."""

import threading

from tasks.images.stand_ins import alone


def test_builders_of_one_folder_take_turns(tmp_path) -> None:
    order: list[str] = []

    def second() -> None:
        with alone(tmp_path):
            order.append("second")

    with alone(tmp_path):
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(0.2)
        order.append("first")
    waiting.join()
    assert order == ["first", "second"]
