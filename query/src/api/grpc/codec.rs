//! Messages in and out of gRPC: prost for what we build, and bytes as they are for traces that are encoded already.

use std::marker::PhantomData;

use bytes::{BufMut, Bytes};
use prost::Message;
use tonic::Status;
use tonic::codec::{Codec, EncodeBuf, Encoder};
use tonic_prost::{ProstCodec, ProstDecoder};

use crate::api::jaeger_v3::message::{
    DependenciesResponse, FindTraceSummariesResponse, GetOperationsResponse, GetServicesResponse,
};

/// Something that can be put into a response.
pub(super) trait Encoded: Send + Sync + 'static {
    fn put(&self, out: &mut EncodeBuf<'_>) -> Result<(), Status>;
}

impl Encoded for Bytes {
    fn put(&self, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put_slice(self);
        Ok(())
    }
}

macro_rules! by_prost {
    ($($message:ty),+) => {$(
        impl Encoded for $message {
            fn put(&self, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
                self.encode(out).map_err(|error| Status::internal(error.to_string()))
            }
        }
    )+};
}
by_prost!(
    DependenciesResponse,
    FindTraceSummariesResponse,
    GetOperationsResponse,
    GetServicesResponse
);

/// Sends `T`, receives `M`.
pub(super) struct Messages<T, M>(PhantomData<(T, M)>);

impl<T, M> Default for Messages<T, M> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

/// Puts `T` into the response.
pub(super) struct Sender<T>(PhantomData<T>);

impl<T: Encoded> Encoder for Sender<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, message: T, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message.put(out)
    }
}

impl<T: Encoded, M: Message + Default + 'static> Codec for Messages<T, M> {
    type Encode = T;
    type Decode = M;
    type Encoder = Sender<T>;
    type Decoder = ProstDecoder<M>;

    fn encoder(&mut self) -> Sender<T> {
        Sender(PhantomData)
    }

    fn decoder(&mut self) -> ProstDecoder<M> {
        ProstCodec::<(), M>::default().decoder()
    }
}
