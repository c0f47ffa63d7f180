;; Has no edgemill_alloc.
;; version: "exports edgemill_transform_1_0_0 but not edgemill_alloc: see docs/guests/core-door.md"
(module
  (memory (export "memory") 16)
  (func (export "edgemill_configure") (param i32 i32) (result i32) (i32.const 0))
  (func (export "edgemill_transform_1_0_0") (param $batch i32) (result i32) (i32.const 1024)))
