"""A draft of a release file, from a Dify source tree beside the nearest release that has a file.

    source.read(files)                        what the tree's own files say
    differences.differences(source, release)  what is other than the release
    text.draft(version, nearest, found)       the file's text, each open point marked

Pure: who calls it reads the files.
"""
