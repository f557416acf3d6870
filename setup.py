"""What setup.cfg cannot say: the native codec is built where cargo is at hand, and a wheel without it is tagged so."""

from __future__ import annotations

from pathlib import Path

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools_rust import Binding, RustExtension, Strip

NATIVE = RustExtension(
    "txgateway.core.codec._native",
    path="native/Cargo.toml",
    args=["--locked"],
    binding=Binding.PyO3,
    py_limited_api=True,
    # Without it the gateway works as well, more slowly: no reason to refuse an installation.
    optional=True,
    debug=False,
    strip=Strip.All,
)


class HonestWheel(bdist_wheel):
    """A wheel is tagged by what it was to contain; one that lacks its only extension fits every platform."""

    def run(self) -> None:
        build = self.get_finalized_command("build")
        folder = Path(build.build_lib, *NATIVE.name.split(".")[:-1])
        for stale in folder.glob("_native*"):
            stale.unlink()
        if not self.skip_build:
            self.run_command("build")
        if not any(folder.glob("_native*.so")) and not any(folder.glob("_native*.pyd")):
            self.distribution.rust_extensions = []
            self.distribution.has_ext_modules = lambda: False
            self.root_is_pure = True
        super().run()


setup(rust_extensions=[NATIVE], cmdclass={"bdist_wheel": HonestWheel})
