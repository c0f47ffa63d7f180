;; Its edgemill_alloc gives back nothing.
;; configure: "no memory for 4 B of input, limits.memory is 64.0 MiB"
(module
  (memory (export "memory") 16)
  (func (export "edgemill_alloc") (param i32) (result i32) (i32.const 0))
  (func (export "edgemill_configure") (param i32 i32) (result i32) (i32.const 0))
  (func (export "edgemill_transform_1_0_0") (param $batch i32) (result i32) (i32.const 1024)))
