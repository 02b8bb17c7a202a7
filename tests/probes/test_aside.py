import threading

import pytest

from byrote.probes.aside import aside, mapped


@pytest.mark.parametrize("cores", [1, 2])
def test_answers_come_in_their_order(cores):
    assert list(mapped(lambda number: number**2, range(9), cores=cores)) == [number**2 for number in range(9)]


def test_with_one_core_work_is_done_at_once_and_here():
    done = []
    with aside(1) as other:
        result = other.begin(lambda: done.append(threading.current_thread()) or 5)
        assert done == [threading.current_thread()]
        assert result() == 5


def test_with_two_it_is_done_beside():
    began, go_on = threading.Event(), threading.Event()

    def work() -> int:
        began.set()
        assert go_on.wait(10)
        return 7

    with aside(2) as other:
        result = other.begin(work)
        assert began.wait(10)
        go_on.set()
        assert result() == 7


def test_what_work_raises_is_raised_where_it_is_waited_for():
    def work() -> None:
        raise ValueError("torn")

    with aside(2) as other:
        result = other.begin(work)
        with pytest.raises(ValueError, match="torn"):
            result()
