"""A Dify that nothing keeps from being taken over."""

from config.rules.adoptable import Found, Vectors

FINE = Found(
    environment="staging",
    project="dify",
    version="1.15.0",
    release="1.15.0",
    known=True,
    storage="opendal",
    store=None,
    inside="",
    here=None,
    closed="",
    packages="",
    plugins="",
    shared=(),
    unmounted=(),
    vectors=Vectors({"pgvector": 3}, annotated=2),
    beside=True,
    re_embed=False,
    email="a@b.c",
    account=True,
    password=True,
)
