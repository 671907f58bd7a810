"""Sounds as tensors: what changes and what does not."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from nodeflow import Audio, NodeflowError
from nodeflow.diffusion import sounds
from nodeflow.diffusion.models.autoencoder_spectrogram import SpectrogramAutoencoder
from nodeflow.diffusion.models.waves import Waves
from nodeflow.diffusion.spectrogram import Mel
from nodeflow.values import LatentSpace


def tone(frequency: float = 440.0, rate: int = 16000, seconds: float = 0.5, channels: int = 1) -> Audio:
    t = torch.arange(round(rate * seconds)) / rate
    return Audio((0.5 * torch.sin(2 * math.pi * frequency * t)).expand(1, channels, -1), rate)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_a_tone_resampled_is_the_tone_at_the_other_rate(rate: int) -> None:
    found, wanted = sounds.resample(tone(), rate), tone(rate=rate)
    assert found.rate == rate and found.data.shape[-1] == math.ceil(0.5 * rate)
    inner = slice(rate // 20, rate // 2 - rate // 20)
    assert (found.data[..., inner] - wanted.data[..., inner]).abs().max() < 2e-3


def test_what_a_lower_rate_cannot_hold_is_left_out() -> None:
    high = sounds.resample(tone(7000), 8000)
    assert high.data[..., 400:-400].abs().max() < 0.01


def test_there_and_back_is_the_same() -> None:
    sound = tone(523)
    back = sounds.resample(sounds.resample(sound, 44100), 16000)
    assert (back.data - sound.data)[..., 800:-800].abs().max() < 1e-3


def test_trimming_and_padding() -> None:
    sound = tone(seconds=1)
    assert torch.equal(sounds.trim(sound, 0.25, 0.5).data, sound.data[..., 4000:12000])
    longer = sounds.trim(sound, 0, 2)
    assert longer.seconds == 2 and not longer.data[..., 16000:].any()
    with pytest.raises(NodeflowError, match="NF205"):
        sounds.trim(sound, 3)


def test_a_mix_is_a_sum_that_never_clips() -> None:
    soft = Audio(0.2 * tone().data, 16000)
    assert torch.allclose(sounds.mix([soft, soft]).data, 2 * soft.data)
    loud = sounds.mix([tone(), tone(), tone()])
    assert loud.data.abs().max() <= 1
    late = sounds.mix([soft, soft], offset=0.5)
    assert late.seconds == 1 and torch.allclose(late.data[..., 8000:], soft.data)
    with pytest.raises(NodeflowError, match="NF414"):
        sounds.mix([tone(channels=2), tone(channels=3)])
    with pytest.raises(NodeflowError, match="NF503"):
        sounds.mix([])


def test_gain_is_in_decibels() -> None:
    assert torch.allclose(sounds.gain(tone(), -6.0206).data, tone().data / 2, atol=1e-5)
    assert float(sounds.gain(tone(), 0, peak=-1).data.abs().max()) == pytest.approx(10 ** (-1 / 20), abs=1e-4)


def test_a_spectrogram_shows_a_tone_where_it_is() -> None:
    picture = sounds.spectrogram(tone(2000, seconds=1), 128, 128).data
    assert picture.shape == (1, 3, 128, 128) and 0 <= float(picture.min()) <= float(picture.max()) <= 1
    bright = int(picture.sum(1)[0].mean(1).argmax())
    mel = 2595 * math.log10(1 + 2000 / 700) / (2595 * math.log10(1 + 8000 / 700))
    assert bright == pytest.approx(128 * (1 - mel), abs=3)


def test_a_waveform_reaches_as_high_as_the_sound() -> None:
    picture = sounds.waveform(tone(channels=2), 64, 100).data
    lit = (picture[0, 1] > 0.5).any(1)
    assert picture.shape == (1, 3, 100, 64)
    assert int(lit.nonzero().min()) == pytest.approx(12, abs=2) and not lit[:10].any()


def test_a_spectrogram_inverted_sounds_alike() -> None:
    mel = Mel(16000, 512, 128, 80)
    wave = (tone(300, seconds=0.512).data + 0.5 * tone(1800, seconds=0.512).data)[:, 0]
    back = mel.wave(mel.of(wave))
    assert back.shape == wave.shape
    assert (mel.of(back) - mel.of(wave))[:, :, 4:-4].abs().mean() < 0.35
    assert float(back.square().mean() / wave.square().mean()) == pytest.approx(1, abs=0.15)


def test_no_wave_within_full_scale_is_above_the_ceiling_and_what_is_gets_cut() -> None:
    mel = Mel(16000, 512, 128, 80, low=0.0)
    noise = torch.rand(4, 4096, generator=torch.Generator().manual_seed(0)).round() * 2 - 1
    waves = torch.cat([torch.ones(1, 4096), noise, torch.sin(torch.arange(4096) * 0.5)[None].sign()])
    assert float(mel.of(waves).max()) <= mel.ceiling + 1e-5
    assert float(mel.of(torch.ones(1, 4096)).max()) > mel.ceiling - 1
    spectrogram = mel.of(waves[1:3]) + 4
    assert float(spectrogram.max()) > mel.ceiling
    assert torch.equal(mel.wave(spectrogram), mel.wave(spectrogram.clamp(max=mel.ceiling)))


def test_a_moment_that_no_wave_has_does_not_make_the_rest_soft() -> None:
    mel, whole = Mel(16000, 512, 128, 80), tone(300, seconds=0.512).data[:, 0] * 0.9
    spectrogram = mel.of(whole)
    kept = mel.wave(spectrogram)
    assert float(20 * (kept.square().mean() / whole.square().mean()).sqrt().log10()) == pytest.approx(0, abs=1)
    spectrogram[..., 28:34] += 20 / 8.686
    spoilt = mel.wave(spectrogram)
    levels = [20 * (wave.square().mean().sqrt() / wave.abs().max()).log10() for wave in (kept, spoilt)]
    assert float(levels[0] - levels[1]) < 8


def test_silence_stays_silent() -> None:
    mel = Mel(16000, 512, 128, 80)
    assert mel.wave(mel.of(torch.zeros(1, 8192))).abs().max() < 1e-3


@pytest.fixture
def autoencoder() -> SpectrogramAutoencoder:
    config = {"sampling_rate": 16000, "n_fft": 512, "hop_length": 128, "num_mel_bins": 64, "patch_size": 8}
    net = SpectrogramAutoencoder.from_config({**config, "latent_channels": 64})
    basis = torch.linalg.qr(torch.randn(64, 64, generator=torch.Generator().manual_seed(0)))[0]
    with torch.no_grad():
        net.mean.fill_(-3)
        net.encoder.weight.copy_(basis.view(64, 1, 8, 8))
        net.encoder.bias.copy_(3 * basis.sum(1))
        net.decoder.weight.copy_(basis.view(64, 1, 8, 8))
    return net.eval()


def test_a_complete_basis_loses_nothing_of_the_spectrogram(autoencoder: SpectrogramAutoencoder) -> None:
    wave = tone(seconds=0.512).data
    latent = autoencoder.encode(wave)
    assert latent.shape == (1, 64, 8, 8)
    assert torch.allclose(autoencoder.spectrogram(latent), autoencoder.mel.of(wave[:, 0]), atol=1e-4)


def test_decoding_never_clips_and_other_rates_are_taken(autoencoder: SpectrogramAutoencoder) -> None:
    space = LatentSpace("drums", 64, 8)
    latent = sounds.to_latent(autoencoder, tone(rate=44100, channels=2, seconds=0.512), space)
    sound = sounds.to_sound(autoencoder, latent)
    assert (sound.rate, sound.data.shape) == (16000, (1, 1, 8192))
    louder = sounds.to_sound(autoencoder, replace(latent, data=latent.data * 1.5))
    assert float(louder.data.abs().max()) == pytest.approx(0.99)
    with pytest.raises(NodeflowError, match="NF414"):
        autoencoder.encode(torch.zeros(1, 2, 8192))


def test_waves_are_their_own_latents() -> None:
    identity, space = Waves.from_config({"in_channels": 2, "sample_rate": 16000}), LatentSpace("waves-16000", 2, 1)
    sound = tone(channels=2)
    latent = sounds.to_latent(identity, sound, space)
    assert torch.equal(latent.data, sound.data)
    back = sounds.to_sound(identity, replace(latent, data=latent.data * 4))
    assert back.rate == 16000 and float(back.data.abs().max()) == 1
    assert torch.equal(sounds.to_latent(identity, tone(), space).data, sound.data)
