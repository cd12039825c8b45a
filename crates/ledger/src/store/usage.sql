-- What counters add up over all time without reading whole records.
ALTER TABLE execution ADD COLUMN cpu_us INTEGER;
ALTER TABLE execution ADD COLUMN compile_uncacheable INTEGER;
ALTER TABLE execution ADD COLUMN compile_errors INTEGER;
UPDATE execution SET (cpu_us, compile_uncacheable, compile_errors) = (
  SELECT record ->> '$.measures.usage.cpu_us', record ->> '$.measures.compile.uncacheable',
    record ->> '$.measures.compile.errors'
  FROM detail WHERE detail.row = execution.row
);
