"""CUFSF: sketches of 1,194 people of the FERET photographs, which NIST gives out by agreement."""

from sketchcli.assets import Asset, Kind

ASSET = Asset(
    title="CUFSF: FERET faces, sketches",
    licence="research only; the photographs under the FERET agreement with NIST",
    citation=(
        "W. Zhang, X. Wang and X. Tang, Coupled Information-Theoretic Encoding for Face "
        "Photo-Sketch Recognition, CVPR 2011."
    ),
    kind=Kind.MANUAL,
    homepage="http://mmlab.ie.cuhk.edu.hk/archive/cufsf/",
    notice=(
        "CUFSF is for research only; its photographs are part of FERET, whose agreement with NIST "
        "you must have signed."
    ),
    pairs=1194,
    steps=(
        "open http://mmlab.ie.cuhk.edu.hk/archive/cufsf/ and download the sketches",
        "ask NIST for the FERET photographs, and sign its agreement",
        "put the sketches into a folder CUFSF/sketches",
        "put the photographs of the same people into CUFSF/photos, each named like its sketch",
        "sketch2img fetch-data cufsf --from CUFSF",
    ),
)
