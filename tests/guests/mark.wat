;; A well-behaved guest, but slow: keeps every record and gives it its version for a key, after some 50 us of nothing, so that
;; a worker under load is mostly in the middle of a batch.
;; The version is the four bytes in the data segment marked VERSION, as in stamp.wat.
;; Memory: outputs at 1024; arrays of 64 KiB each from 64 KiB; the input buffer from 1 MiB. At most 8,192 records a batch.
(module
  (memory (export "memory") 17)
  (data (i32.const 32) "0001") ;; VERSION
  (func (export "edgemill_alloc") (param $size i32) (result i32)
    (local $pages i32)
    (local.set $pages (i32.sub
      (i32.shr_u (i32.add (i32.add (i32.const 0x100000) (local.get $size)) (i32.const 0xffff)) (i32.const 16))
      (memory.size)))
    (if (i32.gt_s (local.get $pages) (i32.const 0))
      (then (if (i32.eq (memory.grow (local.get $pages)) (i32.const -1)) (then (return (i32.const 0))))))
    (i32.const 0x100000))
  (func (export "edgemill_configure") (param i32 i32) (result i32) (i32.const 0))
  (func (export "edgemill_transform_1_0_0") (param $batch i32) (result i32)
    (local $count i32) (local $i i32) (local $i4 i32) (local $turns i32)
    (local.set $count (i32.load (local.get $batch)))
    (if (i32.gt_u (local.get $count) (i32.const 8192)) (then unreachable))
    (i32.store (i32.const 1024) (local.get $count))
    (i32.store (i32.const 1028) (i32.const 0x10000)) ;; origins
    (i32.store (i32.const 1036) (i32.const 0x20000)) ;; keys: lengths, data, size
    (i32.store (i32.const 1040) (i32.const 0x30000))
    (i32.store (i32.const 1044) (i32.mul (local.get $count) (i32.const 4)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $count)))
        (local.set $i4 (i32.shl (local.get $i) (i32.const 2)))
        (i32.store (i32.add (i32.const 0x10000) (local.get $i4)) (local.get $i))
        (i32.store (i32.add (i32.const 0x20000) (local.get $i4)) (i32.const 4))
        (i32.store (i32.add (i32.const 0x30000) (local.get $i4)) (i32.load (i32.const 32)))
        (local.set $turns (i32.const 50000))
        (loop $idle (br_if $idle (local.tee $turns (i32.sub (local.get $turns) (i32.const 1)))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (i32.const 1024)))
