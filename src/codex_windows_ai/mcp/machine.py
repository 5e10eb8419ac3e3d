"""The tools `gpu_stats` and `optimized_path`: the chips of this machine, and the way to the best one."""

from __future__ import annotations

import asyncio
import os

from codex_windows_ai.devices.gpu_path import find_gpu_path
from codex_windows_ai.hardware.figures import MachineFigures
from codex_windows_ai.hardware.live import read_machine
from codex_windows_ai.mcp.results import OptimizedPath
from codex_windows_ai.mcp.runtime_access import RuntimeAccess
from codex_windows_ai.mcp.tool import Arguments, Call, Tool, tool_annotations


def gpu_stats_tool() -> Tool:
    """The tool that reads the live figures."""

    async def run(arguments: Arguments, call: Call) -> MachineFigures:
        return await asyncio.to_thread(read_machine)

    return Tool(
        name="gpu_stats",
        title="GPU, CPU and memory now",
        description="Live load and memory of this PC's GPUs, CPU and RAM; null is unknown.",
        run=run,
        result=MachineFigures,
        annotations=tool_annotations(read_only=True),
    )


def optimized_path_tool(runtime: RuntimeAccess) -> Tool:
    """The tool that names the library of the best GPU execution provider."""

    async def run(arguments: Arguments, call: Call) -> OptimizedPath:
        async with call.progress(runtime.describe_loading):
            opened = await runtime.open()
        path = await asyncio.to_thread(opened.get_optimized_gpu_path)
        if path is not None:
            return OptimizedPath(
                path=os.fspath(path),
                execution_provider=path.execution_provider,
                adapter=path.adapter,
                reason=path.reason,
            )
        finding = await asyncio.to_thread(find_gpu_path)
        fix = f"; `{finding.fix}` would change that" if finding.fix else ""
        return OptimizedPath(path=None, execution_provider=None, adapter=None, reason=f"{finding.reason}{fix}")

    return Tool(
        name="optimized_path",
        title="Best GPU execution provider",
        description="Path of the library of the best GPU execution provider, or why there is none.",
        run=run,
        result=OptimizedPath,
        annotations=tool_annotations(read_only=True),
    )
