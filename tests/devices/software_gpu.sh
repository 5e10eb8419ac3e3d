#!/usr/bin/env bash
# Runs COMMAND on a machine with one graphics adapter, whose work SwiftShader does on the processor.
#
#     software_gpu.sh COMMAND...
#
# Vulkan's loader is told of SwiftShader, and Python of WebGPU's provider. ONNX Runtime takes the adapters from
# /sys/class/drm, so COMMAND sees a /sys/class of its own, in a mount namespace that ends with it; the figures in it are
# those that amdgpu shows.
set -euo pipefail

if [ "${1:-}" != --inside ]; then
    exec unshare --map-root-user --mount "$0" --inside "$@"
fi
shift

mount -t tmpfs software-gpu /sys/class
device=/sys/class/adapters/0000:01:00.0
mkdir -p "$device" /sys/class/drm/card0
ln -s "$device" /sys/class/drm/card0/device
echo 0x1ae0 >"$device/vendor" # Google's, as SwiftShader says of itself
echo 0xc0de >"$device/device"
echo 87 >"$device/gpu_busy_percent"
echo 268435456 >"$device/mem_info_vram_total"
echo 16777216 >"$device/mem_info_vram_used"

swiftshader=/usr/lib/chromium/vk_swiftshader_icd.json
[ -f "$swiftshader" ] || {
    echo "SwiftShader is missing; 'scripts/install_debian.sh chromium libvulkan1' installs it." >&2
    exit 1
}
provider=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../../.venv/webgpu")
[ -f "$provider/.ready" ] || {
    echo "WebGPU's execution provider is missing; 'make .venv/webgpu/.ready' installs it." >&2
    exit 1
}
export PYTHONPATH=$provider${PYTHONPATH:+:$PYTHONPATH}
export VK_DRIVER_FILES=$swiftshader VK_ICD_FILENAMES=$swiftshader XDG_RUNTIME_DIR=/tmp
exec "$@"
