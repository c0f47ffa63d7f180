;; The inside of a component: a test makes a component of it, with guest-sdk/wit. Keeps every record as it is, unless the
;; first two bytes of the first record's value say otherwise:
;;
;;   T!  traps                                             fault, trap
;;   P!  logs an error, and traps                          fault, trap, with what was logged
;;   E!  says that the whole call failed                   fault, trap: "the guest gives up"
;;   L!  loops without end                                 fault, timeout
;;   M!  takes memory until it gets no more, then traps    fault, memory
;;   G!  garbage: origins outside of the memory            fault, output
;;   O!  values whose lengths say more than there is       fault, output
;;   U!  a route's name that is not UTF-8                  fault, output
;;   H!  2,000,000 outputs                                 fault, output
;;   A!  refuses to give memory for the next batch         fault, output: the call after it
;;   R!  refuses the first record                          reject, code "poison", message "poison"
;;
;; Memory: what it gives back at 4096, origins from 64 KiB, arguments from 16 MiB on: each call overwrites the last one's.
(module
  (import "edgemill:transform/log@1.0.0" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 257)
  (data (i32.const 16) "poison")
  (data (i32.const 64) "the guest gives up")
  (data (i32.const 96) "\ff\fe")
  (global $next (mut i32) (i32.const 0x1000000))
  (global $refuses (mut i32) (i32.const 0))

  (func (export "cabi_realloc") (param i32 i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32) (local $pages i32)
    (if (global.get $refuses) (then (return (i32.const -1024))))
    (local.set $at (i32.and
      (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1)))
      (i32.sub (i32.const 0) (local.get $align))))
    (global.set $next (i32.add (local.get $at) (local.get $size)))
    (local.set $pages (i32.sub
      (i32.shr_u (i32.add (global.get $next) (i32.const 0xffff)) (i32.const 16))
      (memory.size)))
    (if (i32.gt_s (local.get $pages) (i32.const 0))
      (then (if (i32.eq (memory.grow (local.get $pages)) (i32.const -1)) (then unreachable))))
    (local.get $at))

  (func (export "edgemill:transform/transformer@1.0.0#configure") (param i32 i32) (result i32)
    (global.set $next (i32.const 0x1000000))
    (i32.const 4096))

  (func (export "edgemill:transform/transformer@1.0.0#transform") (param $batch i32) (result i32)
    (local $count i32) (local $i i32) (local $letters i32)
    (global.set $next (i32.const 0x1000000))
    (memory.fill (i32.const 4096) (i32.const 0) (i32.const 132))
    (local.set $count (i32.load offset=16 (local.get $batch)))
    (if (i32.ge_u (i32.load offset=48 (local.get $batch)) (i32.const 2))
      (then (local.set $letters (i32.load16_u (i32.load offset=44 (local.get $batch))))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $count)))
        (i32.store (i32.add (i32.const 0x10000) (i32.shl (local.get $i) (i32.const 2))) (local.get $i))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (i32.store (i32.const 4100) (i32.const 0x10000)) ;; origins
    (i32.store (i32.const 4104) (local.get $count))
    (if (i32.eq (local.get $letters) (i32.const 0x2154)) (then unreachable)) ;; T!
    (if (i32.eq (local.get $letters) (i32.const 0x2150)) ;; P!
      (then (call $log (i32.const 4) (i32.const 16) (i32.const 6)) unreachable))
    (if (i32.eq (local.get $letters) (i32.const 0x2145)) ;; E!
      (then
        (i32.store8 (i32.const 4096) (i32.const 1))
        (i32.store (i32.const 4100) (i32.const 64))
        (i32.store (i32.const 4104) (i32.const 18))))
    (if (i32.eq (local.get $letters) (i32.const 0x214c)) (then (loop $ever (br $ever)))) ;; L!
    (if (i32.eq (local.get $letters) (i32.const 0x214d)) ;; M!
      (then
        (loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
        unreachable))
    (if (i32.eq (local.get $letters) (i32.const 0x2147)) ;; G!
      (then (i32.store (i32.const 4100) (i32.const 0xfffffff0))))
    (if (i32.eq (local.get $letters) (i32.const 0x214f)) ;; O!
      (then
        (i32.store8 (i32.const 4140) (i32.const 1))
        (i32.store (i32.const 4144) (i32.const 16))
        (i32.store (i32.const 4148) (i32.const 6))
        (i32.store (i32.const 4152) (i32.const 0x10000))
        (i32.store (i32.const 4156) (local.get $count))))
    (if (i32.eq (local.get $letters) (i32.const 0x2155)) ;; U!
      (then
        (i32.store (i32.const 8192) (i32.const 96))
        (i32.store (i32.const 8196) (i32.const 2))
        (i32.store (i32.const 4212) (i32.const 8192))
        (i32.store (i32.const 4216) (i32.const 1))))
    (if (i32.eq (local.get $letters) (i32.const 0x2148)) ;; H!
      (then (i32.store (i32.const 4104) (i32.const 2000000))))
    (if (i32.eq (local.get $letters) (i32.const 0x2141)) ;; A!
      (then (global.set $refuses (i32.const 1))))
    (if (i32.eq (local.get $letters) (i32.const 0x2152)) ;; R!
      (then
        (i32.store offset=4 (i32.const 8192) (i32.const 16))
        (i32.store offset=8 (i32.const 8192) (i32.const 6))
        (i32.store offset=12 (i32.const 8192) (i32.const 16))
        (i32.store offset=16 (i32.const 8192) (i32.const 6))
        (i32.store (i32.const 4220) (i32.const 8192))
        (i32.store (i32.const 4224) (i32.const 1))))
    (i32.const 4096)))
