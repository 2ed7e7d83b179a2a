-- Whether SQLMesh has recorded the interval of an attempt; kept for models that must not be evaluated twice.
ALTER TABLE control.attempts ADD COLUMN recorded boolean NOT NULL DEFAULT true;
