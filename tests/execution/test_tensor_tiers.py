"""The tiers with real tensors: bit-equal through host and disk, and through CUDA where there is one."""

from __future__ import annotations

import pytest

from nodeflow.execution import Cache
from nodeflow.execution.tiers import Entry
from nodeflow.values import Image, Latent, LatentSpace

torch = pytest.importorskip("torch")
SPACE = LatentSpace("toy", 4, 8)


def latent(device: str, dtype: torch.dtype = torch.float32) -> Latent:
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator("cpu").manual_seed(0)).to(dtype)
    return Latent(noise.to(device), SPACE)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_tensor_comes_back_from_disk_bit_equal(tmp_path, dtype):
    first = Cache(folder=tmp_path)
    value = latent("cpu", dtype)
    first.put(b"k" * 20, Entry((value, 3, "text", (1, 2)), 9.0))
    first.flush()
    hit = Cache(folder=tmp_path).get(b"k" * 20)
    assert hit.tier == "disk"
    assert hit.outputs[0].data.dtype == dtype
    assert torch.equal(hit.outputs[0].data, value.data)
    assert hit.outputs[1:] == (3, "text", (1, 2))
    assert hit.outputs[0].space == SPACE


def test_writing_into_a_cached_tensor_is_seen():
    cache = Cache()
    image = Image(torch.zeros(1, 3, 4, 4))
    cache.put(b"key", Entry((image,), 1.0))
    image.data[0, 0, 0, 0] = 1
    assert cache.get(b"key") is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_cuda_tensor_evicted_comes_back_to_the_device_bit_equal(tmp_path):
    value = latent("cuda")
    cache = Cache(device_bytes=2000, host_bytes=10**6, folder=tmp_path)
    cache.put(b"a" * 20, Entry((value,), 9.0))
    assert cache.peek(b"a" * 20) == "device"
    before = torch.cuda.memory_allocated()
    cache.put(b"b" * 20, Entry((latent("cuda"),), 99.0))
    del value
    assert cache.peek(b"a" * 20) == "host"
    assert torch.cuda.memory_allocated() <= before
    hit = cache.get(b"a" * 20)
    assert hit.outputs[0].data.is_cuda
    assert torch.equal(hit.outputs[0].data.cpu(), latent("cpu").data)
    cache.flush()
    fresh = Cache(folder=tmp_path).get(b"a" * 20)
    assert fresh.tier == "disk"
    assert fresh.outputs[0].data.is_cuda
    assert torch.equal(fresh.outputs[0].data.cpu(), latent("cpu").data)
