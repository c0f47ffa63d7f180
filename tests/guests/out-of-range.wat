;; Gives back outputs that begin in the memory and end outside of it, batch after batch.
;; fault, output: "outputs: 128 bytes at 1048568 end outside of the memory, which has 1048576"
(module
  (memory (export "memory") 16)
  (func (export "edgemill_alloc") (param $size i32) (result i32)
    (select (i32.const 0x10000) (i32.const 0) (i32.le_u (local.get $size) (i32.const 0xf0000))))
  (func (export "edgemill_configure") (param i32 i32) (result i32) (i32.const 0))
  (func (export "edgemill_transform_1_0_0") (param $batch i32) (result i32)
    (i32.const 0xffff8)))
