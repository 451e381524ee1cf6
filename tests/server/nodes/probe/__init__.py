"""A node pack with things that InvokeAI's own nodes lack: custom field types, enums and outputs."""

import time
from enum import Enum
from typing import Literal, Optional

from invokeai.invocation_api import (
    BaseInvocation,
    BaseInvocationOutput,
    ColorField,
    ImageField,
    ImageOutput,
    Input,
    InputField,
    IntegerOutput,
    InvocationContext,
    ModelIdentifierField,
    OutputField,
    WithBoard,
    WithMetadata,
    invocation,
    invocation_output,
)
from PIL import Image, ImageStat
from pydantic import BaseModel, Field


class ProbePalette(BaseModel):
    """A field type of this pack: colors with a name."""

    name: str = Field(description="What the palette is called")
    colors: list[ColorField] = Field(description="Its colors, from dark to light")


class ProbeVerdict(str, Enum):
    """An enum with a schema of its own."""

    dark = "dark"
    medium = "medium"
    light = "light"


@invocation_output("probe_palette_output")
class ProbePaletteOutput(BaseInvocationOutput):
    palette: ProbePalette = OutputField(description="The palette")
    size: int = OutputField(description="The number of its colors")


@invocation_output("probe_measure_output")
class ProbeMeasureOutput(BaseInvocationOutput):
    brightness: float = OutputField(description="Weighted mean of the channels, from 0 to 1")
    verdict: ProbeVerdict = OutputField(description="The brightness in a word")
    halves: list[ImageField] = OutputField(description="The left and the right half of the image")


@invocation("probe_palette", title="Probe Palette", tags=["probe"], category="probe", version="1.2.0")
class ProbePaletteInvocation(BaseInvocation):
    """Makes a palette of evenly spaced shades."""

    name: str = InputField(default="shades", min_length=1, max_length=16, description="1 to 16 characters")
    tint: Literal["warm", "cold", "gray"] = InputField(
        default="gray", description="The tint", ui_choice_labels={"warm": "Warm", "cold": "Cold", "gray": "Plain gray"}
    )
    count: int = InputField(default=4, ge=2, le=8, description="2 to 8 colors")
    strength: float = InputField(default=0.5, gt=0, lt=1, description="Strength of the tint, between 0 and 1")
    start: Optional[ColorField] = InputField(default=None, description="The first color, in place of black")

    def invoke(self, context: InvocationContext) -> ProbePaletteOutput:
        low = self.start or ColorField(r=0, g=0, b=0, a=255)
        factor = {"warm": (1, 1, 1 - self.strength), "cold": (1 - self.strength, 1, 1), "gray": (1, 1, 1)}[self.tint]
        colors = []
        for step in range(self.count):
            part = step / (self.count - 1)
            r, g, b = (round((begin + (255 - begin) * part) * f) for begin, f in zip((low.r, low.g, low.b), factor))
            colors.append(ColorField(r=r, g=g, b=b, a=255))
        return ProbePaletteOutput(palette=ProbePalette(name=self.name, colors=colors), size=self.count)


@invocation("probe_swatch", title="Probe Swatch", tags=["probe", "image"], category="probe", version="1.0.0")
class ProbeSwatchInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Paints a palette as vertical stripes."""

    palette: ProbePalette = InputField(description="The palette", input=Input.Connection)
    width: int = InputField(default=64, ge=8, le=1024, multiple_of=8, description="Width in pixels")
    height: int = InputField(default=32, ge=8, le=1024, multiple_of=8, description="Height in pixels")

    def invoke(self, context: InvocationContext) -> ImageOutput:
        stripes = Image.new("RGB", (len(self.palette.colors), 1))
        stripes.putdata([(color.r, color.g, color.b) for color in self.palette.colors])
        context.util.signal_progress(f"Painting {self.palette.name}", 0.5)
        picture = stripes.resize((self.width, self.height), Image.Resampling.NEAREST)
        return ImageOutput.build(context.images.save(image=picture))


@invocation("probe_measure", title="Probe Measure", tags=["probe", "image"], category="probe", version="0.9.1")
class ProbeMeasureInvocation(BaseInvocation, WithBoard):
    """Tells how bright an image is, and cuts it in two."""

    image: ImageField = InputField(description="The image")
    weights: list[float] = InputField(default=[1, 1, 1], min_length=3, max_length=3, description="Red, green, blue")
    expected: Optional[ProbeVerdict] = InputField(default=None, description="Fail unless this is the verdict")

    def invoke(self, context: InvocationContext) -> ProbeMeasureOutput:
        picture = context.images.get_pil(self.image.image_name, mode="RGB")
        means = ImageStat.Stat(picture).mean
        brightness = sum(mean * weight for mean, weight in zip(means, self.weights)) / (255 * sum(self.weights))
        verdict = list(ProbeVerdict)[min(int(brightness * 3), 2)]
        if self.expected not in (None, verdict):
            raise ValueError(f"expected {self.expected.value}, the image is {verdict.value}")
        middle = picture.width // 2
        boxes = ((0, 0, middle, picture.height), (middle, 0, picture.width, picture.height))
        halves = [context.images.save(image=picture.crop(box)) for box in boxes]
        names = [ImageField(image_name=half.image_name) for half in halves]
        return ProbeMeasureOutput(brightness=brightness, verdict=verdict, halves=names)


@invocation("probe_hoard", title="Probe Hoard", tags=["probe", "image"], category="probe", version="1.0.0", use_cache=False)
class ProbeHoardInvocation(BaseInvocation, WithBoard):
    """Saves two images, and keeps to itself what they are called."""

    seconds: float = InputField(default=0, ge=0, le=60, description="How long it takes between the two")
    fails: bool = InputField(default=False, description="Whether it fails at its end")

    def invoke(self, context: InvocationContext) -> IntegerOutput:
        for shade in (0, 255):
            context.images.save(image=Image.new("L", (8, 8), shade))
            time.sleep(self.seconds / 2)
        if self.fails:
            raise ValueError("as it was told")
        return IntegerOutput(value=2)


class ProbePlace(BaseModel):
    """Where a picture ended up."""

    image: ImageField = Field(description="The picture")
    left: int = Field(description="Pixels from the left")
    top: int = Field(description="Pixels from the top")


@invocation_output("probe_collage_output")
class ProbeCollageOutput(BaseInvocationOutput):
    collage: ImageField = OutputField(description="All in one")
    places: list[ProbePlace] = OutputField(description="The pictures, and where they are")
    captions: list[str] = OutputField(description="Their captions")


# The name has characters that a URL and a pattern would stumble over.
@invocation("probe/collage:näht+1", title="Probe Collage", tags=["probe"], category="probe", version="1.0.0")
class ProbeCollageInvocation(BaseInvocation, WithMetadata, WithBoard):
    """Puts pictures beside each other."""

    images: list[ImageField] = InputField(min_length=1, max_length=4, description="1 to 4 pictures")
    captions: list[str] = InputField(default=[], max_length=4, description="Captions")
    layout: Literal["row", "column", "pile"] = InputField(default="row", description="Beside or below each other")
    gap: int = InputField(default=0, ge=0, le=16, multiple_of=2, description="Pixels between, an even number")
    model: Optional[ModelIdentifierField] = InputField(default=None, description="Not used")

    def invoke(self, context: InvocationContext) -> ProbeCollageOutput:
        pictures = [context.images.get_pil(image.image_name, mode="RGB") for image in self.images]
        if self.layout == "pile":
            raise ValueError("pictures in a pile cannot be seen")
        row = self.layout == "row"
        along = sum(p.width if row else p.height for p in pictures) + self.gap * (len(pictures) - 1)
        across = max(p.height if row else p.width for p in pictures)
        whole = Image.new("RGB", (along, across) if row else (across, along))
        places, at = [], 0
        for image, picture in zip(self.images, pictures):
            left, top = (at, 0) if row else (0, at)
            whole.paste(picture, (left, top))
            places.append(ProbePlace(image=ImageField(image_name=image.image_name), left=left, top=top))
            at += (picture.width if row else picture.height) + self.gap
        name = context.images.save(image=whole).image_name
        return ProbeCollageOutput(collage=ImageField(image_name=name), places=places, captions=self.captions)
