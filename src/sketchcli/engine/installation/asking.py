"""Ask questions in a process of its own, which may crash or never answer."""

import multiprocessing
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

PATIENCE = 300.0  # seconds for an answer: a busy machine takes a minute to import torch

Facts = dict[str, Any]
Question = Callable[[], Facts]


@dataclass(frozen=True)
class Answer:
    """What a question found, or why it found nothing."""

    facts: Facts = field(default_factory=dict)
    error: str = ""


def ask(*questions: Question, patience: float = PATIENCE) -> tuple[Answer, ...]:
    """The answers of functions that run in one new process, one after the other.

    A library that was built for another processor kills the process that imports it: that must
    not be the one that is to tell of it. What comes after a crash is not asked again.

    Args:
        questions: Functions of a module; what they return must be plain data.
        patience: Seconds for each.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(questions, sender), daemon=True)
    process.start()
    sender.close()  # the other process has the last one: its end is the pipe's end
    answers: list[Answer] = []
    fault = f"no answer within {patience:.0f} seconds"
    try:
        while len(answers) < len(questions) and receiver.poll(patience):
            answers.append(receiver.recv())
    except EOFError:
        process.join()
        fault = f"it crashed ({_end(process.exitcode)})"
    finally:
        process.kill()
        process.join()
        receiver.close()
    return (*answers, *[Answer(error=fault)] * (len(questions) - len(answers)))


def line_of(error: BaseException) -> str:
    r"""An error on one line.

    >>> line_of(ImportError("libGL.so.1: cannot open\nmore"))
    'ImportError: libGL.so.1: cannot open'
    """
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}"


def _answer(questions: Sequence[Question], sender: Connection) -> None:
    for question in questions:
        try:
            sender.send(Answer(question()))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
            sender.send(Answer(error=line_of(error)))


def _end(code: int | None) -> str:
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"
