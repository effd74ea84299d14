"""Host input ports."""

from __future__ import annotations

import numpy as np

from tulle_ir.program import HostPort
from tulle_ir.routes import INDEX, RouteEntries
from tulle_runtime.fast import words as w


def link_keys(ports: list[HostPort], width: int) -> np.ndarray:
    return np.array([(port.y * width + port.x) * 4 + INDEX[port.side] for port in ports], np.int64)


class Ports:
    """Host input ports, sorted by link and color."""

    def __init__(
        self, ports: list[HostPort], entries: RouteEntries, links: np.ndarray, link_of: np.ndarray, width: int
    ) -> None:
        color = np.array([port.color for port in ports], np.int64)
        self.order = np.lexsort((color, link_of)).tolist()
        self.link = link_of[self.order]
        key = links[self.link]
        found = entries.find(key // 4, color[self.order])
        fits = found >= 0
        fits[fits] = entries.port[found[fits]] == key[fits] % 4
        self.entry = np.where(fits, found, -1)

    def rows(self, inputs: list[list[np.ndarray]], base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(feed, port rows): the input wavelets of all ports in one array, and the state of each port."""
        lists = [words for stream in inputs for words in stream]
        if len(lists) != len(self.order):
            raise ValueError(f"{len(lists)} input lists for {len(self.order)} input ports")
        ordered = [np.asarray(lists[k], dtype=np.uint32) for k in self.order]
        ends = np.cumsum([len(words) for words in ordered], dtype=np.int64)
        rows = np.zeros((len(ordered), w.PORT_WORDS), np.int64)
        rows[:, w.P_BASE] = np.where(self.entry >= 0, base[np.maximum(self.entry, 0)], -1) if len(base) else -1
        rows[:, w.P_NEXT] = ends - [len(words) for words in ordered]
        rows[:, w.P_END] = ends
        rows[:, w.P_LAST] = -1
        feed = np.concatenate(ordered) if ordered else np.zeros(0, np.uint32)
        return feed, rows
