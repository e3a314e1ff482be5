"""pigsty.yml: what it must say for Dify, laid into the user's own file.

Pure functions, for the steps that read and write the file:

    generation.of_version(version)            which family of Pigsty's trees
    fragment.fragment(environment, release, secrets, generation)      what must be said, as data
    merge.problems(text)                      what makes a text no inventory; empty: nothing
    merge.merge(text, fragment)               the text that says it; the same text if it did
    changes.changes(before, after, secrets)   key by key, masked
    changes.diff(before, after, secrets)      the same as a unified diff

Whatever is wrong with the text, or in it must not be changed silently, is a ConfigError whose
lines read `pigsty.yml:12: path.to.key: what is wrong; what is expected`.
"""
