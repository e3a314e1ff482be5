-- A function of PostgreSQL itself that looks at no argument and returns a null pointer.
-- GIN reads that as "this value has no keys".
CREATE FUNCTION gin_trgm_no_keys(text, internal, internal) RETURNS internal
    LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'void_in';

CREATE FUNCTION gin_trgm_no_match(internal, int2, text, int4, internal, internal) RETURNS bool
    LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'void_in';

-- Without operators no query can ever choose an index of this class.
CREATE OPERATOR CLASS gin_trgm_ops FOR TYPE text USING gin AS
    FUNCTION 2 gin_trgm_no_keys(text, internal, internal),
    FUNCTION 3 gin_trgm_no_keys(text, internal, internal),
    FUNCTION 4 gin_trgm_no_match(internal, int2, text, int4, internal, internal);
