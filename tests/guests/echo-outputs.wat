;; Gives back what the first record says: its value is copied to 1024, and that is the outputs, with whatever follows them.
;; Its key, where it has one, is copied to 0x8000.
(module
  (memory (export "memory") 16)
  (func (export "edgemill_alloc") (param $size i32) (result i32)
    (select (i32.const 0x10000) (i32.const 0) (i32.le_u (local.get $size) (i32.const 0xf0000))))
  (func (export "edgemill_configure") (param i32 i32) (result i32) (i32.const 0))
  (func (export "edgemill_transform_1_0_0") (param $batch i32) (result i32)
    (local $size i32)
    (memory.fill (i32.const 1024) (i32.const 0) (i32.const 128))
    (local.set $size (i32.load (i32.load offset=24 (local.get $batch))))
    (if (i32.gt_s (local.get $size) (i32.const 0))
      (then (memory.copy (i32.const 0x8000) (i32.load offset=28 (local.get $batch)) (local.get $size))))
    (local.set $size (i32.load (i32.load offset=36 (local.get $batch))))
    (if (i32.gt_s (local.get $size) (i32.const 0))
      (then (memory.copy (i32.const 1024) (i32.load offset=40 (local.get $batch)) (local.get $size))))
    (i32.const 1024)))
