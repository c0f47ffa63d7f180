;; Its edgemill_alloc gives back the largest address.
;; configure: "edgemill_alloc: 4 bytes at 4294967295 end outside of the memory, which has 1048576"
(module
  (memory (export "memory") 16)
  (func (export "edgemill_alloc") (param i32) (result i32) (i32.const -1))
  (func (export "edgemill_configure") (param i32 i32) (result i32) (i32.const 0))
  (func (export "edgemill_transform_1_0_0") (param $batch i32) (result i32) (i32.const 1024)))
